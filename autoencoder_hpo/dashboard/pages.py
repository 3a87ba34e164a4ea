"""The answers that are ours: a page to log in, and one line about anything else."""

import json
from html import escape

from werkzeug.wrappers import Response

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>autoencoder-hpo</title>
<link rel="icon" href="data:,">
<style>
  body {{ margin: 0; min-height: 100vh; display: grid; place-items: center;
         font: 16px/1.5 system-ui, sans-serif; background: #f4f5f7; color: #1c2430 }}
  form {{ width: min(20rem, 85vw); padding: 2rem; border-radius: 12px; background: white;
         box-shadow: 0 2px 16px #1c243018 }}
  h1 {{ margin: 0; font-size: 1.25rem }}
  p {{ margin: .25rem 0 1rem; color: #5a6575; font-size: .9rem }}
  p.wrong {{ color: #b3261e; font-weight: 600 }}
  label {{ font-size: .9rem }}
  input, button {{ box-sizing: border-box; width: 100%; padding: .6rem .7rem; font: inherit;
                  border: 1px solid #c3cad4; border-radius: 8px; margin-top: .25rem }}
  button {{ margin-top: 1rem; border: 0; background: #1f5fbf; color: white; font-weight: 600 }}
</style>
</head>
<body>
<form method="post" action="/login">
  <h1>autoencoder-hpo</h1>
  <p>Studies, and what each trial restores.</p>
  {message}
  <input name="user" value="autoencoder-hpo" autocomplete="username" hidden>
  <label for="password">Password</label>
  <input id="password" name="password" type="password" autocomplete="current-password"
         required autofocus>
  <button>Log in</button>
</form>
</body>
</html>
"""


def login_page(status: int, message: str) -> Response:
    shown = f'<p class="wrong" role="alert">{escape(message)}</p>' if message else ""
    return Response(PAGE.format(message=shown), status, content_type="text/html; charset=utf-8")


def said(status: int, reason: str) -> Response:
    """The form in which optuna-dashboard's page shows an error."""
    return Response(json.dumps({"reason": reason}), status, content_type="application/json")

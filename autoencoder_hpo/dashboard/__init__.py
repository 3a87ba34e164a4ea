"""optuna-dashboard behind a password, for people who look and people who change.

access   passwords, roles and sessions
gate     what is let through: the only way in
studies  renaming and deleting studies without hurting workers
view     the storage as the dashboard sees it
app      all of these around optuna-dashboard
server   serving it
"""

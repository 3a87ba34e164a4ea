"""Why a study does not get better: findings, each with its numbers and a remedy."""

"""What workers share: the database, its studies and trials, and who trains which."""

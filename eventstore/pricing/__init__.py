"""What usage costs: rates of models, where they come from, and the arithmetic. No SQL in here."""

"""Prices: the rates of models, where the rates come from, and what usage costs. No SQL."""

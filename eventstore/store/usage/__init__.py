"""Usage, money, latency and context growth, summed over sessions."""

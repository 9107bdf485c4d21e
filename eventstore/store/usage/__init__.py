"""Usage, money, latency and the growth of contexts, summed over sessions."""

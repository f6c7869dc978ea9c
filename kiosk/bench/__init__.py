"""Benchmarks and campaigns, each beside its peer or limit. The campaigns are the tests' too, only longer here."""

"""What every room needs and no room owns: files of one user, TLS, hosts, faults nobody foresaw."""

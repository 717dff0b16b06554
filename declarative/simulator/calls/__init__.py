"""The calls of SDRS and of what stands beside it, a module for each family, and how their jobs end."""

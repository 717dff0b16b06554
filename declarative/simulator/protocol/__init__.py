"""What travels between a client and the simulator: requests, answers and their fields, and what may go wrong."""

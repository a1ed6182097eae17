"""Shipped doubles: small models with random weights, scripted generators and judges."""

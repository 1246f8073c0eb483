"""What an integrator leaves running: schedules, webhooks and deliveries, each in its turn."""

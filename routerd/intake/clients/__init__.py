"""Who a client is: by its address, behind a proxy, by DNS, by its login."""

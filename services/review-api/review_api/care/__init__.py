"""What spares people: distressing items, breaks, the length of a day, and pay by the time worked."""

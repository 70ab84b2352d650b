"""How an SQS queue is received from by those who are several, or have other work."""

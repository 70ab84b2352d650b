"""How an SQS queue is received from by those who are several, have other work, or stand over another queue."""

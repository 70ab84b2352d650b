"""One machine's adapters: what SQS, DynamoDB and Secrets Manager are on AWS is a table or a file here.

The second implementation is a backend, not a mock: tests/contracts holds both to the same words.
"""

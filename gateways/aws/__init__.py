"""AWS's adapters: the ports of one machine's tables and files on SQS, DynamoDB, KMS and Secrets Manager.

names.py is what must exist there, as data; terraform/ makes it, and tests hold the two equal.
"""

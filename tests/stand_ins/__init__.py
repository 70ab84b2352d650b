"""`make stand-ins`: what the program promises of AWS' services, proven on whatever stands in for them, or on AWS itself.

The same tests as ever, of every service that AWS_ENDPOINT_URL_<SERVICE> or a profile names. All that they make has one
prefix, and is removed at the end of the run, also of one that failed.
"""

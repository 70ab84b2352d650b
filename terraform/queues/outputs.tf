output "arns" {
  description = "ARN of each queue, by its name in the program."
  value       = { for name, queue in aws_sqs_queue.this : name => queue.arn }
}

output "dead_letter_arns" {
  description = "ARN of each queue's dead-letter queue, by the queue's name."
  value       = { for name, queue in aws_sqs_queue.dead_letters : name => queue.arn }
}

output "names" {
  description = "Each queue's name in SQS."
  value       = { for name, queue in aws_sqs_queue.this : name => queue.name }
}

output "dead_letter_names" {
  description = "Each dead-letter queue's name in SQS."
  value       = { for name, queue in aws_sqs_queue.dead_letters : name => queue.name }
}

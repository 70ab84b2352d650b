# The image that machines run, by digest. A tag that is pushed stays what it was.

resource "aws_ecr_repository" "this" {
  # checkov:skip=CKV_AWS_136:The image is built from a repository and holds no secret; AES256 with AWS' own key is enough for it.
  name                 = local.name
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "The last hundred"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 100 }
      action       = { type = "expire" }
    }]
  })
}

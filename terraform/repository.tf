# The images that machines run, by digest. A tag that is pushed stays what it was. Beside the program's, the collector's: copied here
# once, so that no machine needs a registry elsewhere.

resource "aws_ecr_repository" "this" {
  # checkov:skip=CKV_AWS_136:The image is built from a repository and holds no secret; AES256 with AWS' own key is enough for it.
  name                 = local.name
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

# Of each image that runs, its tags: an image that nobody pushed is told of at the plan, not by a machine at night.
data "aws_ecr_image" "running" {
  for_each = toset([for digest in values(local.digests) : digest if digest != ""])

  repository_name = local.name # not the resource's, which would put off the look to the apply
  image_digest    = each.value

  lifecycle {
    postcondition {
      condition     = length(self.image_tags) > 0
      error_message = "The image ${each.value} has no tag: give it one (docker tag, docker push), for only a tag keeps it from expiring."
    }
  }
}

locals {
  running_tags = sort(distinct(flatten([for image in data.aws_ecr_image.running : image.image_tags])))
  # cosign keeps an image's signatures under its digest.
  running_signatures = [for digest in sort(keys(data.aws_ecr_image.running)) : "${replace(digest, ":", "-")}*"]
}

# What runs never expires, however old: an image that a rule takes is not taken by a later one, and a rule of one tag never has
# a hundred images. Tags of one rule would all have to be there, so each has its own. Untagged images are parts of tagged ones.
resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    rules = concat(
      [for index, pattern in concat(local.running_tags, local.running_signatures) : {
        rulePriority = index + 1
        description  = "Runs"
        selection    = { tagStatus = "tagged", tagPatternList = [pattern], countType = "imageCountMoreThan", countNumber = 100 }
        action       = { type = "expire" }
      }],
      [{
        rulePriority = 1000
        description  = "The last hundred that do not run"
        selection    = { tagStatus = "tagged", tagPatternList = ["*"], countType = "imageCountMoreThan", countNumber = 100 }
        action       = { type = "expire" }
      }],
    )
  })
}

resource "aws_ecr_repository" "collector" {
  # checkov:skip=CKV_AWS_136:It is a public image; AES256 with AWS' own key is enough for it.
  name                 = "${local.name}-collector"
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

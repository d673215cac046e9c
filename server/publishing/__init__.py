"""What an account that may upload can post: uploads, yanks, removals."""

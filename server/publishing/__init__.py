"""What an account that may upload posts: uploads, yanks, removals."""

"""What all learners share: their configuration, batches, acting, updates and optimisers."""

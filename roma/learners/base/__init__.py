"""Parts that all learners share: configuration, batches, acting, updates and optimisers."""

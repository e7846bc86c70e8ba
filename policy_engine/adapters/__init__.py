"""The engines that evaluate Rego, and the folder a bundle is read from."""

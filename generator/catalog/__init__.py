"""The Service Catalog template and its launch role."""

"""Swagger UI's distribution files as they were published (swagger-ui-dist 5.35.0, Apache-2.0), served by `/docs`."""

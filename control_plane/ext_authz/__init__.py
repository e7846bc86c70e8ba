"""Envoy's external authorization: Envoy, Istio and NGINX ask whether a request they hold may pass."""

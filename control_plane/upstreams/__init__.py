"""Services of others behind the gateway: asked over HTTP(S) or in this process, after a request was let in."""

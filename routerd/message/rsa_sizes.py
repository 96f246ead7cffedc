"""Of what size the RSA keys are that servers believe (RFC 8301 3.2), in bits."""

LEAST_RSA_BITS = 1024  # less is believed by nobody
ADVISED_RSA_BITS = 2048
MOST_RSA_BITS = 4096  # so far verifiers must go: twice the bits take four times as long

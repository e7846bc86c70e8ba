# The one question the gateway asks: may this subject do this action on this resource in this context?
#
# `decision` is {"allow", "reasons", "obligations", "ttl_s"}. It is an allow-list: `allow` needs positive facts,
# and whatever is missing, unknown or of the wrong type leaves them unproven.
package gateway

default decision := {
	"allow": false,
	"reasons": ["the policy has no answer to this question"],
	"obligations": {},
	"ttl_s": 0,
}

decision := {"allow": true, "reasons": sort(grounds), "obligations": obligations, "ttl_s": ttl_s} if allow

decision := {"allow": false, "reasons": sort(refusals), "obligations": {}, "ttl_s": 0} if {
	not allow
	count(refusals) > 0
}

default allow := false

# What a stranger may do, everyone may do: to sign in again is the remedy that a high risk leaves open.
allow if open_to_everyone

allow if {
	signed_in
	permitted
	risk_tolerable
	data_within_clearance
}

obligations[name] := parameters if {
	some name, parameters in {"mask": mask, "notify": notify}
	count(parameters) > 0
}

# An answer may be reused for a moment, unless the risk calls for a fresh look each time.
default ttl_s := 0

ttl_s := data.access.ttl_s if {
	risk_tolerable
	not risk_elevated
}

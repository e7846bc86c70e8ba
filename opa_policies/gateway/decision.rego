# The one question the gateway asks: may this subject do this action on this resource in this context?
#
# `decision` is {"allow", "reasons", "obligations", "ttl_s"}. It is an allow-list: `allow` needs positive facts,
# and whatever is missing, unknown or of the wrong type leaves them unproven.
# Every rule met costs 2 to 5 microseconds: the way to an *allow* goes through few of them, refusals explain at leisure.
package gateway

default decision := {
	"allow": false,
	"reasons": ["the policy has no answer to this question"],
	"obligations": {},
	"ttl_s": 0,
}

decision := {"allow": true, "reasons": array.concat(grounds, masking), "obligations": obligations, "ttl_s": ttl_s} if allow

decision := {"allow": false, "reasons": sort(refusals), "obligations": {}, "ttl_s": 0} if {
	not allow
	count(refusals) > 0
}

default allow := false

# What a stranger may do, everyone may do: to sign in again is the remedy that a high risk leaves open.
allow if {
	open_to_everyone
} else if {
	count(grants) > 0
	risk < data.access.risk.denied
	data_within_clearance
}

obligations := object.union(mask, notify)

# An answer may be reused for a moment, unless the risk calls for a fresh look each time.
default ttl_s := 0

ttl_s := data.access.ttl_s if risk < data.access.risk.elevated

grounds := [sprintf("%s is open to everyone", [input.action])] if {
	open_to_everyone
} else := grants

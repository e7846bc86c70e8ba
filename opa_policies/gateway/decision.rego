# The one question the gateway asks: may this subject do this action on this resource in this context?
#
# `decision` is {"allow", "reasons", "obligations", "ttl_s"}. It is an allow-list: a yes needs `grounds`, which positive
# facts prove, and whatever is missing, unknown or of the wrong type leaves them unproven.
# Every rule met costs 3 microseconds, every `data.x.y` one: the way to a yes goes through few of them, refusals explain
# at leisure. `sprintf` speaks `%v` only: of any other verb the two engines make different words.
package gateway

default decision := {
	"allow": false,
	"reasons": ["the policy has no answer to this question"],
	"obligations": {},
	"ttl_s": 0,
}

decision := {
	"allow": true,
	"reasons": array.concat(grounds, masking),
	"obligations": obligations,
	"ttl_s": ttl_s,
} if {
	count(grounds) > 0
} else := {"allow": false, "reasons": sort(refusals), "obligations": demanded_of_a_no, "ttl_s": 0} if {
	count(refusals) > 0
}

# Why the answer is yes: a right of the caller's that neither risk, data nor an old login forbids to use; or what a
# stranger may do, which everyone may do: to sign in again is the remedy that a high risk leaves open.
grounds := rights if {
	count(rights) > 0
	risk < data.access.risk.denied
	data_within_clearance
	not login_missing
} else := [sprintf("%v is open to everyone", [input.action])] if {
	open_to_everyone
}

# An answer may be reused for a moment, unless the risk calls for a fresh look each time.
default ttl_s := 0

ttl_s := data.access.ttl_s if risk < data.access.risk.elevated

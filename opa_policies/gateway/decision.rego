# The one question the gateway asks: may this subject do this action on this resource in this context?
#
# `decision` is {"allow", "reasons", "obligations", "ttl_s"}. It is an allow-list: a yes needs `grounds`, which positive
# facts prove, and whatever is missing, unknown or of the wrong type leaves them unproven.
# Every rule met costs 3 microseconds, every `data.x.y` one or two, a variable nothing: the way to a yes goes through few
# of them, refusals explain at leisure. `sprintf` speaks `%v` only: of any other verb the two engines make different words.
package gateway

default decision := {
	"allow": false,
	"reasons": ["the policy has no answer to this question"],
	"obligations": {},
	"ttl_s": 0,
}

# Most requests touch no data, at no great risk, and demand nothing: they need no look at masks, rows and logins.
decision := {
	"allow": true,
	"reasons": rights,
	"obligations": {},
	"ttl_s": access.ttl_s,
} if {
	input.resource.dataset == null
	input.resource.columns == {}
	input.resource.classification == null
	access := data.access
	not access.step_up[input.action]
	not access.watermarked[input.action]
	risk < access.risk.elevated
	risk < access.risk.denied
	count(rights) > 0
}

# Yes, by a right of the caller's that neither risk, data nor an old login forbids to use.
else := {
	"allow": true,
	"reasons": array.concat(rights, masking),
	"obligations": obligations,
	"ttl_s": ttl_s,
} if {
	count(rights) > 0
	is_object(input.resource.columns)
	risk < data.access.risk.denied
	data_within_clearance
	not login_missing
} else := {
	"allow": true,
	"reasons": [sprintf("%v is open to everyone", [input.action])],
	"obligations": obligations,
	"ttl_s": ttl_s,
} if {
	open_to_everyone
} else := {
	"allow": false,
	"reasons": sort(refusals),
	"obligations": demanded_of_a_no,
	"ttl_s": 0,
} if {
	count(refusals) > 0
}

# An answer may be reused for a moment, unless the risk calls for a fresh look each time.
ttl_s := access.ttl_s if {
	access := data.access
	risk < access.risk.elevated
} else := 0

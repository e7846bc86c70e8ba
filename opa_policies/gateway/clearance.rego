# Which data: a dataset above the caller's clearance is refused, a column above it is masked.
# What has no label is RESTRICTED.
package gateway

needed := object.get(levels, input.resource.classification, levels.RESTRICTED) if {
	levels := data.access.levels
}

data_within_clearance if {
	input.resource.dataset == null
} else if {
	needed <= clearance
}

# What the roles reach as they stand, and once a purpose is stated; an elevated risk keeps RESTRICTED data closed.
default standing := 0

standing := max({n | some role in roles; n := levels[cleared[role].standing]}) if {
	levels := data.access.levels
	cleared := data.access.clearance
}

default attainable := 0

attainable := max({n | some role in roles; n := levels[cleared[role].with_purpose]}) if {
	levels := data.access.levels
	cleared := data.access.clearance
}

reach := attainable if {
	data.access.purposes[input.context.purpose]
} else := standing

clearance := reach if {
	risk < data.access.risk.elevated
} else := min([reach, data.access.levels.CONFIDENTIAL])

# A missing or unknown label counts as RESTRICTED; `not levels[label] <= clearance` would let it through.
obligations["mask"] := {"columns": columns} if {
	labels := input.resource.columns
	is_object(labels)
	levels := data.access.levels
	highest := levels.RESTRICTED
	reached := clearance
	columns := sort([column | some column, label in labels; object.get(levels, label, highest) > reached])
	columns != []
}

masking := [sprintf("%v masked: above your clearance %v", [concat(", ", mask.columns), label_of(clearance)]) |
	mask := obligations.mask
]

label_of(level) := concat(" or ", [label | some label, number in data.access.levels; number == level])

refused_for_data if {
	count(rights) > 0
	not open_to_everyone
	not data_within_clearance
}

refusals contains sprintf("your roles (%v) reach %v, this is %v", [your_roles, label_of(attainable), label_of(needed)]) if {
	refused_for_data
	needed > attainable
}

accepted_purposes := concat(", ", sort(object.keys(data.access.purposes)))

refusals contains sprintf("%v data needs a stated purpose: send Access-Purpose with one of %v", [label_of(needed), accepted_purposes]) if {
	refused_for_data
	needed <= attainable
	not is_string(input.context.purpose)
}

refusals contains sprintf("'%v' is not an accepted purpose: state one of %v", [input.context.purpose, accepted_purposes]) if {
	refused_for_data
	needed <= attainable
	not data.access.purposes[input.context.purpose]
	is_string(input.context.purpose)
}

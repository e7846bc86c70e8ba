# Which data: a dataset above the caller's clearance is refused, a column above it is masked.
# What has no label is RESTRICTED.
package gateway

levels := {"PUBLIC": 0, "INTERNAL": 1, "CONFIDENTIAL": 2, "RESTRICTED": 3}

names := ["PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED"]

reads_data if is_string(input.resource.dataset)

default needed := 3

needed := levels[input.resource.classification]

data_within_clearance if not reads_data

data_within_clearance if {
	reads_data
	needed <= clearance
}

# What the roles reach as they stand, and what they reach once a purpose is stated.
standing contains 0 if signed_in

standing contains level if {
	some role in roles
	level := levels[data.access.clearance[role].standing]
}

with_purpose contains level if {
	some role in roles
	level := levels[data.access.clearance[role].with_purpose]
}

attainable := max(standing | with_purpose)

purpose_accepted if input.context.purpose in data.access.purposes

default reach := 0

reach := attainable if purpose_accepted

reach := max(standing) if not purpose_accepted

default clearance := 0

clearance := reach if not risk_elevated

clearance := min([reach, levels.CONFIDENTIAL]) if risk_elevated

# Everything is masked that is not shown to lie within the clearance; `not` over a missing label would mask nothing.
within_clearance contains column if {
	some column, label in input.resource.columns
	level := levels[label]
	level <= clearance
}

masked := {column | some column, _ in input.resource.columns} - within_clearance

default mask := {}

mask := {"columns": sort(masked)} if count(masked) > 0

grounds contains sprintf("%s is masked: it lies above your clearance %s", [concat(", ", sort(masked)), names[clearance]]) if {
	reads_data
	count(masked) > 0
}

refused_for_data if {
	signed_in
	permitted
	reads_data
	not data_within_clearance
}

refusals contains sprintf("your roles (%s) reach %s, this is %s", [your_roles, names[attainable], names[needed]]) if {
	refused_for_data
	needed > attainable
}

refusals contains sprintf("%s data needs a stated purpose: send Access-Purpose with one of %s", [names[needed], accepted]) if {
	refused_for_data
	needed <= attainable
	not purpose_accepted
	not states_purpose
	accepted := concat(", ", data.access.purposes)
}

refusals contains sprintf("%q is not an accepted purpose: state one of %s", [input.context.purpose, accepted]) if {
	refused_for_data
	needed <= attainable
	not purpose_accepted
	states_purpose
	accepted := concat(", ", data.access.purposes)
}

states_purpose if is_string(input.context.purpose)

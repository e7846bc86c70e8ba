# What a decision demands besides yes or no. `mask` is in clearance.rego, `notify` in risk.rego; here are the others.
package gateway

# A login that is too old, or too weak, for this action (RFC 9470). Applications have none: their keys are their own.
# An unknown age or class meets nothing; `null < 900` holds in Rego, where null sorts before every number.
login_missing if {
	wanted := data.access.step_up[input.action]
	input.subject.kind == "person"
	not login_meets(wanted)
}

login_meets(wanted) if {
	is_fresh(object.get(wanted, "max_age", null))
	is_sure(object.get(wanted, "acr", null))
}

is_fresh(max_age) if {
	max_age == null
} else if {
	is_number(max_age)
	is_number(input.subject.auth_age_s)
	input.subject.auth_age_s <= max_age
}

is_sure(acr) if {
	acr == null
} else if {
	data.access.acr_ranks[input.subject.acr] >= data.access.acr_ranks[acr]
}

# Asked for only where nothing else stands in the way: to log in again in vain helps nobody.
default demanded_of_a_no := {}

demanded_of_a_no := {"step_up": data.access.step_up[input.action]} if {
	login_missing
	count(rights) > 0
	risk < data.access.risk.denied
	data_within_clearance
}

refusals contains sprintf("%v needs a login %v: log in again", [input.action, concat(" and ", words)]) if {
	count(demanded_of_a_no) > 0
	words := array.concat(
		[sprintf("no older than %v minutes", [round(seconds / 60)]) |
			seconds := data.access.step_up[input.action].max_age
			is_number(seconds)
		],
		[sprintf("of the class %v", [acr]) | acr := data.access.step_up[input.action].acr],
	)
}

# Which devices: whoever is bound to a region sees its devices only, and whoever has no role but such as must be bound,
# and is not, sees none. A region without devices of a kind has none to show.
obligations["row_filter"] := {"column": "meter_id", "starts_with": devices("meter_id")} if {
	input.resource.columns.meter_id
	is_regional
}

obligations["row_filter"] := {"column": "sensor_id", "starts_with": devices("sensor_id")} if {
	input.resource.columns.sensor_id
	is_regional
}

devices(column) := object.get(data.regions.devices, [object.get(data.regions.of, input.subject.id, ""), column], [])

is_regional if {
	data.regions.of[input.subject.id]
} else if {
	bound := data.regions.bound_roles
	bound != {}
	roles != set()
	every role in roles { bound[role] }
}

# No single household: for whom every permitting role has a floor, the highest of them.
obligations["aggregate_floor"] := {"n": max([floor.n | some floor in floors]), "grain": floors[0].grain} if {
	access := data.access
	floor_of := access.floors[input.resource.dataset]
	count(roles & object.keys(floor_of)) > 0
	permitted := access.by_role[input.action]
	floors := [object.get(floor_of, role, {"n": 0}) | some role in roles; role in permitted]
	count(floors) > 0
	every floor in floors { floor.n > 0 }
}

# Whose answer it is goes with what leaves the house: exports, and RESTRICTED data in the clear.
obligations["watermark"] := {} if {
	data.access.watermarked[input.action]
} else := {} if {
	clearance == data.access.levels.RESTRICTED
	is_restricted
}

is_restricted if "RESTRICTED" in input.resource.columns

is_restricted if input.resource.classification == "RESTRICTED"

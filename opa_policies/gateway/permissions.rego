# Who may do what: data.access names, for each action, the strangers, the signed-in or the roles that may do it.
package gateway

signed_in if {
	input.subject.kind in {"person", "service"}
	is_string(input.subject.id)
	input.subject.id != ""
}

# A signed-in subject has the roles its token carries and those that data.role_bindings gives its id.
roles contains role if {
	signed_in
	is_array(input.subject.roles)
	some role in input.subject.roles
}

roles contains role if {
	signed_in
	some role in data.role_bindings[input.subject.id]
}

open_to_everyone if input.action in data.access.public

open_to_everyone if concat(".", [split(input.action, ".")[0], "*"]) in data.access.public

open_to_everyone if {
	input.action in data.access.on_this_machine
	input.context.loopback == true
}

permitted if {
	signed_in
	input.action in data.access.signed_in
}

permitted if count(roles_that_permit) > 0

roles_that_permit contains role if {
	some role in data.access.by_role[input.action]
	role in roles
}

known_action if input.action in data.access.signed_in

known_action if data.access.by_role[input.action]

grounds contains sprintf("%s is open to everyone", [input.action]) if open_to_everyone

grounds contains sprintf("%s is open to everyone who signed in", [input.action]) if {
	permitted
	input.action in data.access.signed_in
}

grounds contains sprintf("the role %s permits %s", [role, input.action]) if some role in roles_that_permit

refusals contains sprintf("sign in: %s is not open to strangers", [input.action]) if {
	is_string(input.action)
	not open_to_everyone
	not signed_in
}

refusals contains sprintf("%s is open to this machine only", [input.action]) if {
	input.action in data.access.on_this_machine
	not open_to_everyone
	not permitted
}

refusals contains sprintf("no rule permits the action %s", [input.action]) if {
	is_string(input.action)
	not open_to_everyone
	signed_in
	not known_action
}

refusals contains sprintf("%s needs one of the roles %s; yours: %s", [input.action, wanted, your_roles]) if {
	signed_in
	not open_to_everyone
	not permitted
	role_list := data.access.by_role[input.action]
	wanted := concat(", ", sort(role_list))
}

default your_roles := "none"

your_roles := concat(", ", sort(roles)) if count(roles) > 0

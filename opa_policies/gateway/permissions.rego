# Who may do what: data.access names, for each action, the strangers, the signed-in or the roles that may do it.
package gateway

signed_in if {
	input.subject.kind in {"person", "service"}
	is_string(input.subject.id)
	input.subject.id != ""
}

# An application acts for a person only with the scope `api`; without it, it knows them and may do nothing as them.
acts_for_subject if {
	input.subject.kind == "service"
} else if {
	"api" in input.subject.scopes
}

# A signed-in subject has the roles its token carries and those that data.role_bindings gives its id.
default roles := set()

roles := {role | some role in array.concat(input.subject.roles, object.get(data.role_bindings, input.subject.id, []))} if {
	signed_in
	acts_for_subject
	is_array(input.subject.roles)
}

# What permits the action, in words; none means that nothing does.
default rights := []

rights := [sprintf("the role %v permits %v", [role, input.action]) | some role in roles; role in permitted] if {
	permitted := data.access.by_role[input.action]
} else := [sprintf("%v is open to everyone who signed in", [input.action])] if {
	data.access.signed_in[input.action]
	signed_in
	acts_for_subject
} else := [sprintf("%v is open to everyone who signed in", [input.action])] if {
	data.access.any_scope[input.action]
	signed_in
}

open_to_everyone if {
	data.access.public[input.action]
} else if {
	words := split(input.action, ".")
	data.access.public[concat(".", [words[0], "*"])]
} else if {
	data.access.on_this_machine[input.action]
	input.context.loopback == true
}

known_action if data.access.signed_in[input.action]

known_action if data.access.any_scope[input.action]

known_action if data.access.by_role[input.action]

refusals contains sprintf("sign in: %v is not open to strangers", [input.action]) if {
	is_string(input.action)
	not open_to_everyone
	not signed_in
}

refusals contains sprintf("%v is open to this machine only", [input.action]) if {
	data.access.on_this_machine[input.action]
	not open_to_everyone
	count(rights) == 0
}

refusals contains sprintf("no rule permits the action %v", [input.action]) if {
	is_string(input.action)
	not open_to_everyone
	signed_in
	not known_action
}

refusals contains "this application may not act for you: it lacks the scope api" if {
	signed_in
	not acts_for_subject
	not open_to_everyone
	count(rights) == 0
}

refusals contains sprintf("%v needs one of the roles %v; yours: %v", [input.action, wanted, your_roles]) if {
	signed_in
	not open_to_everyone
	count(rights) == 0
	wanted := concat(", ", sort(data.access.by_role[input.action]))
}

default your_roles := "none"

your_roles := concat(", ", sort(roles)) if count(roles) > 0

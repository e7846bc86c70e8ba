# Every decision case, for OPA's own tools: `opa test --coverage opa_policies`. Which case is answered otherwise, and how,
# says `gridwarden policy test opa_policies`.
package gateway_test

decided(case) := answer if {
	given := object.get(case, "data", {})
	answer := data.gateway.decision with input as case.input
		with data.access as object.get(given, "access", data.access)
		with data.regions as object.get(given, "regions", data.regions)
		with data.role_bindings as object.get(given, "role_bindings", data.role_bindings)
}

as_wanted(case) if {
	answer := decided(case)
	answer.allow == case.want.allow
	answer.obligations == object.get(case.want, "obligations", answer.obligations)
	told := concat("; ", answer.reasons)
	every part in object.get(case.want, "reasons_contain", []) {
		contains(told, part)
	}
}

test_every_case if {
	count(data.cases) > 0
	every case in data.cases {
		as_wanted(case)
	}
}

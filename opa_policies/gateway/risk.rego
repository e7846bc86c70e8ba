# How risky: 0 to 100. From data.access.risk.elevated on, the security team hears of it and RESTRICTED data is closed;
# from data.access.risk.denied on, only what is open to strangers remains. A risk that is no number is the highest.
package gateway

default risk := 100

risk := input.context.risk if {
	is_number(input.context.risk)
	input.context.risk >= 0
}

obligations["notify"] := {"whom": "security", "why": sprintf("risk %v is elevated", [risk])} if {
	risk >= data.access.risk.elevated
	signed_in
}

refusals contains sprintf("risk %v is too high (%v or more is refused): %v", [risk, data.access.risk.denied, remedy]) if {
	signed_in
	not open_to_everyone
	risk >= data.access.risk.denied
	remedy := "use the device and network you usually use, or ask the security team to confirm the new ones"
}

refusals contains sprintf("risk %v is elevated: RESTRICTED data is closed from %v on", [risk, data.access.risk.elevated]) if {
	refused_for_data
	risk >= data.access.risk.elevated
	risk < data.access.risk.denied
	needed == data.access.levels.RESTRICTED
	needed <= reach
}

"""What another policy would have done with recorded scores. Pure, and nothing is paid for again.

recorded   one recorded route, with what people decided
survey     what has to be known of all of them before any is routed anew
evidence   what a promise would have allowed, and when
errors     an estimate of the error of what a policy accepts, from decisions that a policy chose
economy    what a label that is accepted, and right, costs
tally      the routes of one policy, summed up
replay     all of it together
"""

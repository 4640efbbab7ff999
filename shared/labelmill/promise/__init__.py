"""The promise: an error bound for what is accepted without a person, which holds over all looks together.

Pure statistics on numpy arrays and plain numbers: no clock, no I/O, no random numbers but seeded ones.

    eprocess  e-processes for a bounded error rate, the only test used here
    bound     the lowest threshold that the blind audits certify
    monitor   watches the audits of what is accepted and raises the alarm
    raters    what an audit by people who err says about the machine
    rates     how many audits to draw
    gate      one project's state: open or closed, where, and what is missing
    standing  the gate of a project through its releases, and what is published of it
    words     the promise as a sentence
"""

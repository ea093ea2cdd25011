"""The instructor's grader: makes assignments, takes submissions, grades them in sandboxes.

assign      the course folder: students' and instructor's notebooks, cases, points
collect     submissions from a learning-management system's zip, unpacked with suspicion
submission  what a student's notebook holds, read without trusting it
sandbox     bubblewrap around one submission, with limits
runner      the process inside the sandbox
grade       one submission
batch       a class, in parallel, to be interrupted and resumed
feedback    a page for each student
marking     the notebook that nbgrader's formgrader shows
record      tables of marks, and what was entered by hand
gradebook   nbgrader's
files       whole files or none

`python -m tools.grading` lists the commands. What runs student code is given code and inputs and
gives back plain values as text; the solutions' values never enter a sandbox.
"""

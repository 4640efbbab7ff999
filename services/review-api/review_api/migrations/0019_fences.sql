-- Fences are drawn at random: in the order of a sequence they told which of the tasks of a claim are hidden checks.
-- The sequence stays for processes of earlier versions, which draw from it while they are replaced.
COMMENT ON SEQUENCE fences IS 'Of no more use: fences are random.';

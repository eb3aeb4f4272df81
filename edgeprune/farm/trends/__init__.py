"""What changed over many nights: figures of one file, board, device and metric, night by night.

Detectors vote on where a series changed (:mod:`.detectors`); a candidate is told to nobody before a
re-run of old and new side by side confirmed it (:mod:`.confirmation`); what else changed on that
night is marked as its reason (:mod:`.reasons`). :mod:`.series` goes through a series with them.
"""

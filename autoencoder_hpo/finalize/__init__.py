"""From a finished study to a denoiser with evidence: retrained, compared, tested once, packed.

comparison  which of several denoisers is better, and whether their images can tell
results     what a finalize comes to, as values
images      the images of its three parts: the search's, everything, and those held out
retraining  one retraining: resumed, stored, read again
pool        many retrainings, in this process or in several
selection   the retrained trials, compared on validation
plan        what is to be done, and all that can fail before it costs anything
access      who has looked at the test images, kept in the study
pending     a look that waits for its bundle
baselines   the baselines on the test images, kept for the next start
testing     the one look: the denoiser and the baselines on the test images
wording     the verdict in words
card        the model card
packing     the bundle
screen      the table in a terminal
run         all of it in order
"""

"""The second wall: whatever touches a stranger's model inside a framework runs in a child process.

The first wall, :mod:`edgeprune.load.keras_watch`, refuses files that carry code. This one is for
what it misses, and for faults of TensorFlow, Keras, HDF5 and LiteRT that nobody knows yet: the
child has no network, a read-only disk but for its own folder, and bounded memory, as far as the
system offers it. What comes back is bytes and figures, checked against their types, and never an
object to unpickle.

:mod:`~edgeprune.sandbox.parent` starts the child and listens to it, :mod:`~edgeprune.sandbox.child`
closes the walls of :mod:`~edgeprune.sandbox.walls` around itself, and only then does
:mod:`~edgeprune.sandbox.worker` import the job, one of those in :mod:`~edgeprune.sandbox.jobs`.

Nothing is imported here: the child must be small when it closes the walls.
"""

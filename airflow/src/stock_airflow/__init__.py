"""What the DAGs are made of: pods, Spark applications, a sensor, a timetable, reports and alerts.

Nothing here knows how prices are handled: the DAGs start the pipeline's programs, which do.
"""

"""Have the faces that come in drifted from those that the models were trained on?"""

"""The measured model in MLServer."""

from __future__ import annotations

import joblib
import pandas as pd
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Model(MLModel):
    async def load(self) -> bool:
        self._estimator = joblib.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        frame: pd.DataFrame = PandasCodec.decode_request(payload)
        texts = {name: frame[name].astype(str) for name in frame if name.startswith("category")}
        chances = self._estimator.predict_proba(frame.assign(**texts))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probability", chances)])

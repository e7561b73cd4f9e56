"""The providers that models.yaml may name besides `openai`: where LangChain keeps the class of each, and which variable holds its key.

The names are those of LangChain's `init_chat_model`, whose own table takes 0.7 CPU seconds to import; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """`key_variable` is empty where no key is wanted or the provider's package finds its own; `extra` is ours that installs the package."""

    module: str
    chat_class: str
    key_variable: str = ""
    extra: str = ""

    @property
    def is_installed(self) -> bool:
        return find_spec(self.module.partition(".")[0]) is not None

    @property
    def how_to_install(self) -> str:
        package = self.module.partition(".")[0].replace("_", "-")
        return f"run `make dev EXTRAS={self.extra}`" if self.extra else f"install {package}"


def _provider(module: str, chat_class: str, key_variable: str = "", extra: str = "") -> Provider:
    return Provider(module=module, chat_class=chat_class, key_variable=key_variable, extra=extra)


# Not among them: `huggingface`, `ibm` and `langsmith`, which are not made by calling their class.
PROVIDERS: Final[Mapping[str, Provider]] = {
    "anthropic": _provider("langchain_anthropic", "ChatAnthropic", "ANTHROPIC_API_KEY", "anthropic"),
    "anthropic_bedrock": _provider("langchain_aws", "ChatAnthropicBedrock"),
    "azure_ai": _provider("langchain_azure_ai.chat_models", "AzureAIOpenAIApiChatModel"),
    "azure_openai": _provider("langchain_openai", "AzureChatOpenAI", "AZURE_OPENAI_API_KEY"),
    "baseten": _provider("langchain_baseten", "ChatBaseten", "BASETEN_API_KEY"),
    "bedrock": _provider("langchain_aws", "ChatBedrock"),
    "bedrock_converse": _provider("langchain_aws", "ChatBedrockConverse"),
    "bedrock_mantle_anthropic": _provider("langchain_aws", "ChatAnthropicMantle"),
    "bedrock_mantle_openai": _provider("langchain_aws", "ChatOpenAIMantle"),
    "cohere": _provider("langchain_cohere", "ChatCohere", "COHERE_API_KEY"),
    "deepseek": _provider("langchain_deepseek", "ChatDeepSeek", "DEEPSEEK_API_KEY"),
    "fireworks": _provider("langchain_fireworks", "ChatFireworks", "FIREWORKS_API_KEY"),
    "google_anthropic_vertex": _provider("langchain_google_vertexai.model_garden", "ChatAnthropicVertex"),
    "google_genai": _provider("langchain_google_genai", "ChatGoogleGenerativeAI", "GOOGLE_API_KEY", "google"),
    "google_vertexai": _provider("langchain_google_vertexai", "ChatVertexAI"),
    "groq": _provider("langchain_groq", "ChatGroq", "GROQ_API_KEY"),
    "litellm": _provider("langchain_litellm", "ChatLiteLLM"),
    "meta": _provider("langchain_meta", "ChatMetaModel", "META_API_KEY"),
    "mistralai": _provider("langchain_mistralai", "ChatMistralAI", "MISTRAL_API_KEY"),
    "nvidia": _provider("langchain_nvidia_ai_endpoints", "ChatNVIDIA", "NVIDIA_API_KEY"),
    "ollama": _provider("langchain_ollama", "ChatOllama", extra="ollama"),
    "openrouter": _provider("langchain_openrouter", "ChatOpenRouter", "OPENROUTER_API_KEY"),
    "perplexity": _provider("langchain_perplexity", "ChatPerplexity", "PPLX_API_KEY"),
    "together": _provider("langchain_together", "ChatTogether", "TOGETHER_API_KEY"),
    "upstage": _provider("langchain_upstage", "ChatUpstage", "UPSTAGE_API_KEY"),
    "xai": _provider("langchain_xai", "ChatXAI", "XAI_API_KEY"),
}

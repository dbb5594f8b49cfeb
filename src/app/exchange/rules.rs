//! The rules of the configuration: who may exchange what (RFC 8693 §5).

use std::collections::BTreeSet;

use chancery_core::grant::exchange::{Rule, Rules};
use chancery_core::grant::exchanged::TokenType;
use chancery_core::id::ClientId;
use chancery_core::resource::ResourceId;
use chancery_core::scope::Scope;

use crate::config::DeclaredExchange;

/// Reads the rules of the configuration.
///
/// # Errors
/// The first that is wrong, with a sentence for the operator.
pub fn rules(declared: &[DeclaredExchange]) -> Result<Rules, String> {
    let mut rules = Rules::default();
    for own in declared {
        let wrong = |why: String| format!("the configuration file's token_exchange of {} is not acceptable: {why}.", own.client_id);
        let client = |text: &String| ClientId::parse(text).ok_or_else(|| wrong(format!("{text} is no client_id")));
        let token_type = |word: &String| {
            TokenType::of_word(word).ok_or_else(|| wrong(format!("{word} is none of access_token, id_token and refresh_token")))
        };
        let resource = |text: &String| ResourceId::parse(text).ok_or_else(|| wrong(format!("{text} is no absolute URI")));
        let mut rule = Rule {
            from: own.subject_clients.iter().map(client).collect::<Result<_, _>>()?,
            token_types: own.subject_token_types.iter().map(token_type).collect::<Result<BTreeSet<_>, _>>()?,
            resources: own.resources.iter().map(resource).collect::<Result<_, _>>()?,
            scope: own.scope.as_deref().map(Scope::parse).transpose().map_err(|why| wrong(why.description.to_string()))?,
            single_use: own.single_use,
            announced: own.may_act,
            ..Rule::default()
        };
        for mode in &own.modes {
            match mode.as_str() {
                "delegation" => rule.delegation = true,
                "impersonation" => rule.impersonation = true,
                other => return Err(wrong(format!("{other} is neither delegation nor impersonation"))),
            }
        }
        // RFC 8693 §4.4: a token names one who may act.
        if let Some(twice) = rule.from.iter().find(|from| own.may_act && rules.may_act(from).is_some()) {
            return Err(wrong(format!("the tokens of {twice} name another client in may_act already")));
        }
        rules.0.insert(client(&own.client_id)?, rule);
    }
    Ok(rules)
}
